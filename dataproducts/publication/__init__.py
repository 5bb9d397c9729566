"""What happened and what is declared, told to a catalog: nothing lost on the way, and no run that waits for it."""
