"""The doors through which a recipient's answer comes back: public, without cookies, sign-in or script."""
