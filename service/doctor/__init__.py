"""The doctor's checks of a deployment. `ringback doctor` and the dashboard show the same findings."""
