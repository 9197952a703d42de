"""Commands on training: train, work, dataset, bench and demo."""
