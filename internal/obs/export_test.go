package obs

// NewProvider lets tests see what an exporter gets.
var NewProvider = newProvider
