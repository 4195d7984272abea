"""A suite as small as a run of all kinds of cells can be: 39 cells in a few seconds."""

SUITE = """\
schema: 1
name: killed
title: Killed
description: As small as a run of all kinds of cells can be.
default_profile: tiny
profiles:
  tiny:
    train: [laboratory/sentiment, laboratory/inference]
    challenges: [laboratory/keyword, laboratory/hans]
    methods: [naive, asa]
    attacks: {deepwordbug+stopwords: {victim: both}}
    calibration_examples: 20
    seeds: 1
    train_examples: 96
    eval_examples: 40
    attack_examples: 3
    reliance_examples: 4
    training: {epochs: 1, batch_size: 32, max_length: 48, learning_rate: 1.0e-3}
    laboratory: {pretraining: {lines: 640, batch_size: 32}}
    device: cpu
    precision: float32
    threads: 1
"""
