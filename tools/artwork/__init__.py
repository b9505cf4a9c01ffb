"""Pictures that the project draws itself: samples, the placeholder, screenshots."""
