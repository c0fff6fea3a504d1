"""How the default model is made: a procedural world of moving emoji, a latent codec, grown experts, a flow decoder, and their measures."""
