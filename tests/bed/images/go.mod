module teal.dev/bed/images

go 1.26
