"""The public test kit: a real database per worker, clocks, rights, factories and clients. Nothing is mocked."""
