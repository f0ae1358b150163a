cp "$ROOT/tests/docs/example_provider.py" .
export PYTHONPATH="$ROOT:."
