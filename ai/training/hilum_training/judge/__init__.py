"""How good a run is: figures with intervals, calibration, the operating point, and a report that shows them."""
