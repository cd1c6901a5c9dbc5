"""Resource x observed state -> plan -> apply -> verify; each step is journalled before it is done, originals kept."""
