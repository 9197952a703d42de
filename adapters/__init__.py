"""Everything about LoRA adapters: recipes, training, weights, serving and the proof that one is applied."""
