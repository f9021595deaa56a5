"""The seven forms of trilinear attention against plain matrix algebra."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tablewright.trainables.layers.trilinear import FORMS_WITH_TAU, TRILINEAR_FORMS, trilinear_attention

TAU = 2.0


def softmax(values):
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


BY_HAND = {
    "X": lambda x: x,
    "XX^TX": lambda x: x @ x.T @ x,
    "N(X)X^TX": lambda x: softmax(TAU * x) @ x.T @ x,
    "N(X)N(X)^TX": lambda x: softmax(TAU * x) @ softmax(TAU * x).T @ x,
    "N(XX^TX)": lambda x: softmax(x @ x.T @ x),
    "N(XX^T)X": lambda x: softmax(x @ x.T) @ x,
    "N(N(X)X^T)X": lambda x: softmax(softmax(TAU * x) @ x.T) @ x,
}


@pytest.mark.parametrize("form", TRILINEAR_FORMS)
def test_each_form_is_what_it_says(form):
    """N is over places of a map and over the second axis of a relation, image by image."""
    features = np.random.default_rng(0).random((2, 5, 3, 4))
    attention = trilinear_attention(torch.tensor(features), form, tau=TAU)
    for image, made in zip(features, attention, strict=True):
        expected = BY_HAND[form](image.reshape(5, 12)).reshape(5, 3, 4)
        np.testing.assert_allclose(expected, made.numpy(), rtol=1e-6)


@pytest.mark.parametrize("form", TRILINEAR_FORMS)
def test_tau_changes_the_forms_that_say_so(form):
    """A form without N(X) has the same maps at any tau; of the others it is no idle setting."""
    features = torch.rand(2, 5, 3, 4)
    first, second = (trilinear_attention(features, form, tau=tau) for tau in (1.0, 7.0))
    assert (form in FORMS_WITH_TAU) != torch.equal(first, second)


def test_the_papers_form_is_a_mean_of_maps():
    """Rows of the relation sum to one, so that attention stays within the range of X."""
    features = torch.rand(1, 6, 4, 4)
    attention = trilinear_attention(features, "N(N(X)X^T)X", tau=7.0)
    assert attention.max() <= features.max() + 1e-6
    assert attention.min() >= features.min() - 1e-6


def test_compute_of_the_papers_form():
    """512 maps of 28 x 28 take 411,041,792 multiply-adds: two products of 512 x 512 x 784."""
    features = torch.rand(1, 512, 28, 28)
    with FlopCounterMode(display=False) as counter:
        trilinear_attention(features, "N(N(X)X^T)X", tau=7.0)
    assert 411_041_792 == counter.get_total_flops() // 2
