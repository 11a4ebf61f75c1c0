"""Radiographs with their labels and boxes, whatever the form they come in; their pixels; their split by patient."""
