"""What EEG files lie in a place, and in what state they are."""
