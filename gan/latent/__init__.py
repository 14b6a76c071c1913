"""What a latent space knows: directions with a meaning, ways between faces, and the way back from a picture."""
