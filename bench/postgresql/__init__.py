"""The parts of bench/postgres."""
