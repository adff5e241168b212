module backstay.io/pause

go 1.26.0
