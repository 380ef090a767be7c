"""The methods that the paper compares AMGAN with, one file each: StarGAN, GANimation, SaGAN."""
