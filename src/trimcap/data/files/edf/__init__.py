"""EDF and BDF files: what their headers say, and what is put right."""
