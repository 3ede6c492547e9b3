"""What must hold whatever breaks: processes killed anywhere, institutions that misbehave, load, forgery."""
