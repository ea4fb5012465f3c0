"""The whole stack on one machine, from the real templates: five accounts of one organization and two outside it, without an AWS account."""
