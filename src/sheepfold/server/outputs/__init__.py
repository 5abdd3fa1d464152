"""What an owner takes home: zip, video, retention."""
