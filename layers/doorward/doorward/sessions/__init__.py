"""Role sessions: who came through a door, whether that is known, and what it means. Pure."""
