"""What the pages of the local stack have in common: how they are served, their frame, their colours."""
