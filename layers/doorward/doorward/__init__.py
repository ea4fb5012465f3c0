"""Doorward keeps the doors between AWS accounts. Start reading at `usecases/`; `docs/` in the repository has the map."""
