"""10DLC: brands, campaigns, the numbers that send for them, and the SMS that have to wait for them."""
