"""Who somebody is: people of the organization, machines, and by which way they say something."""
