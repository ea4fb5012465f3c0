"""What the use cases need from outside, as protocols in our own words."""
