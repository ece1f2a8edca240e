"""Tables of counts on the tokens of a model: n-grams, Markov, PPM, copying; measured as a model is."""
