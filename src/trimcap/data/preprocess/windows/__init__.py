"""Steps that cut windows, and steps on windows."""
