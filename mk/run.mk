# Running Tocsin from the tree.
