"""The engine's search set against cvc5, and its judge against requests drawn at random. Run by `make oracle`."""
