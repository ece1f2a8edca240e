"""beats"""
