"""What happened to each thing that people decide on: chains of items, the roots that pin them, and how both are verified."""
