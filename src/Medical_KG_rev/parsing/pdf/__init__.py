"""PDFs: the port of the engines that read them, the engines, and what turns their layouts into documents."""
