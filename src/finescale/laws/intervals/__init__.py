"""How sure a fit is: resamples, the predictions of all of them, the profile of E."""
