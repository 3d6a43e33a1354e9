"""Two-layer networks as scikit-learn estimators: `ConvexReLURegressor().fit(X, y)`; the proof is in `certificate_`."""

from convexnn.estimators.classifier import ConvexReLUClassifier
from convexnn.estimators.path import RegularisationPath
from convexnn.estimators.regressor import ConvexReLURegressor

__all__ = ["ConvexReLUClassifier", "ConvexReLURegressor", "RegularisationPath"]
