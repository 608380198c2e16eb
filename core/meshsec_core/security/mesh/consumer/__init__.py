"""The borrowing side: requests in provider tokens, virtual stake by epochs, reports. `module` joins them; start with `epoch`."""
