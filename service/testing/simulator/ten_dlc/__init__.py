"""10DLC: brands, campaigns, and the numbers that send for a campaign."""
