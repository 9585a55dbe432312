"""Covariances in a tangent space: each formula again, by another way."""

import numpy as np
import pytest
from scipy.linalg import expm, logm, sqrtm
from sklearn.covariance import OAS

from trimcap.data.baselines.tangent import covariances, log_euclidean_mean, tangent_vectors

RNG = np.random.default_rng(3)
X = (RNG.standard_normal((6, 5, 40)) * RNG.uniform(1, 20, (6, 5, 1))).astype(np.float32)


def test_covariances_are_shrunk_as_by_scikit_learn():
    for x, C in zip(X, covariances(X), strict=True):
        np.testing.assert_allclose(C, OAS().fit(x.T.astype(float)).covariance_, rtol=1e-9)


def test_a_window_of_zeros_and_a_dead_electrode_have_logarithms():
    flat = X.copy()
    flat[0], flat[1, 2] = 0, 7
    C = covariances(flat)
    assert np.isfinite(tangent_vectors(C, log_euclidean_mean(C))).all()


def test_replica_with_matrix_functions():
    C = covariances(X)
    mean = expm(np.mean([logm(c) for c in C], axis=0))
    np.testing.assert_allclose(log_euclidean_mean(C), mean, rtol=1e-8, atol=1e-8)
    half = np.linalg.inv(sqrtm(mean))
    for c, vector in zip(C, tangent_vectors(C, mean), strict=True):
        log = logm(half @ c @ half)
        expected = [log[i, j] * (1 if i == j else np.sqrt(2)) for i in range(5) for j in range(i, 5)]
        np.testing.assert_allclose(vector, np.real(expected), atol=1e-8)


def test_length_is_the_riemannian_distance_to_the_mean_and_scale_does_not_matter():
    C = covariances(X)
    mean = log_euclidean_mean(C)
    values = np.linalg.eigvals(np.linalg.solve(mean, C[0])).real
    assert np.linalg.norm(tangent_vectors(C, mean)[0]) == pytest.approx(np.sqrt((np.log(values) ** 2).sum()))
    scaled = covariances(1000 * X)
    np.testing.assert_allclose(tangent_vectors(scaled, log_euclidean_mean(scaled)), tangent_vectors(C, mean), atol=1e-4)
