"""melody"""
