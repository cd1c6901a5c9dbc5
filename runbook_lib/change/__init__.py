"""Resource x observed state -> plan -> apply -> verify, each step journalled before it is done and with its original kept."""
