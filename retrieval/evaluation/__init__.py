"""Does an edit do what was asked, and does it find the right garments: metrics, protocols, reports."""
