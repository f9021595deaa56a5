"""What shows the store elsewhere, MLflow and Optuna: it never decides anything."""
