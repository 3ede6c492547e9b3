"""The ground floor: small things that two or more apps share. No models; imports no app."""
