"""Encoders: the ASA mechanism, where each model family keeps its self-attention, the laboratory's own BERT."""
