"""Training, evaluation and export of Hilum's models for chest radiographs."""
