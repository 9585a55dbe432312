"""From a traced Network to a float Program."""
