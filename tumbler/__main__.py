from tumbler.cli import main

main()
