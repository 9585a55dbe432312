"""EEG files of any format that MNE reads, and of headsets' own programs, as recordings."""
