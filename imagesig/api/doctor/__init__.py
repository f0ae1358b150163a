"""The steps of `diagnose`: one module for the results, one for servers, one for registries."""
